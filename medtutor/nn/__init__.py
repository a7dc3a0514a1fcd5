"""What a chapter built by hand and later chapters reuse; each function stands in its chapter in the same words."""
