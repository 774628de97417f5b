"""Tables of people and days, written in the ways in which devices, countries and spreadsheets write them."""
