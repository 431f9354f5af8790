-- The node cannot be buried before this transaction ends.
SELECT 1 FROM headrace.node WHERE id = $1 FOR KEY SHARE
