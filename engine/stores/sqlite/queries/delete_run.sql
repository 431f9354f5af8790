DELETE FROM run WHERE num = ?
