-- One at a time puts a run into a lane. The lock belongs to the transaction, so that no pooler hands it on.
SELECT pg_advisory_xact_lock(hashtextextended('headrace lane ' || $1 || ' ' || $2, 0))
