"""Live views of jobs: streams over PostgreSQL and Redis, and their GraphQL fields."""
