"""What a chapter built by hand and later chapters reuse, in the same words as in the chapter; fast layers."""
