"""What the console's pages show and do, one noun a file."""
