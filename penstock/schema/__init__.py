"""Data in and out of records: schemas, encoding, the CloudEvents envelope, and the shapes handlers ask for."""
