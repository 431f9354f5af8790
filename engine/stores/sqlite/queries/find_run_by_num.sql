SELECT * FROM run WHERE num = ?
