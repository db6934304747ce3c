"""One path for every call to a model: grants, rounds, limits, retries, failures and the ledger."""
