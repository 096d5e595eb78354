"""The GraphQL API: accounts, uploads, data sets, pipelines, jobs; it never touches the bytes of a file."""
