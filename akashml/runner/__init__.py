"""What `make run` starts: Postgres, Valkey and the processes of the product, under one supervisor."""
