"""What is to be simulated: configuration, protocol, systems, and what is analysed of them."""
