SELECT token, expires > clock_timestamp() AS alive FROM headrace.node WHERE id = $1
