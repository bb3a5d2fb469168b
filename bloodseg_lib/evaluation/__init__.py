"""How right a network is: on composed smears, on real fields, in counts. Taught by notebook 4."""
