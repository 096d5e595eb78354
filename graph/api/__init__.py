"""What all GraphQL types and resolvers share: scalars, errors, connections, permissions, field helpers, limits."""
