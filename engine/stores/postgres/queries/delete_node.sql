DELETE FROM headrace.node WHERE id = $1
