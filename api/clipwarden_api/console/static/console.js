/* The console’s own elements. */
