package model

// Config says where prices come from besides the table inside the program.
type Config struct {
	// PricesFile is a JSON file whose rows override and extend the built-in price table.
	PricesFile string `yaml:"prices_file" example:"/etc/sluice/prices.json"`
}

// SetDefaults fills in what a file may leave out: nothing here has a default.
func (c *Config) SetDefaults() {}
