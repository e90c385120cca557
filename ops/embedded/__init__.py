"""The servers `hub up` brings along: real PostgreSQL and Valkey as children in the data directory."""
