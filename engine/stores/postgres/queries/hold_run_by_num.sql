-- Nobody else moves the run before this transaction ends.
SELECT 1 FROM headrace.run WHERE num = $1 FOR NO KEY UPDATE
