SELECT state FROM run WHERE num = ? AND epoch = ?
