"""How the API speaks HTTP: middleware, the GraphQL endpoint, health, metrics, the single-page app."""
