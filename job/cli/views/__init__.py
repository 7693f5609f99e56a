"""What is known of runs, as things that rich can print: pure, for any width, without a word to a store."""
