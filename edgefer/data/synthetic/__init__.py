"""SynthFER, the built-in face set: rendered heads with seven expressions seen from five sides."""
