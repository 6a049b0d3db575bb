package console

import (
	"net"

	"sluice/internal/llm"
)

// Config guards the operator's side: metrics, profiles and the admin API.
type Config struct {
	// AdminKey is the key for metrics, profiles and the admin API. Without it they answer loopback clients only.
	AdminKey llm.Secret `yaml:"admin_key" example:"${SLUICE_ADMIN_KEY}"`
	// AdminListen gives the admin side an address of its own. Without it, it shares the address of the clients.
	AdminListen string `yaml:"admin_listen" reload:"restart" example:"127.0.0.1:9090"`
}

// SetDefaults fills in what a file may leave out: nothing here has a default.
func (c *Config) SetDefaults() {}

// Validate reports each problem with the key that it is at.
func (c *Config) Validate(fail func(key, message string)) {
	if c.AdminListen == "" {
		return
	}
	if _, _, err := net.SplitHostPort(c.AdminListen); err != nil {
		fail("admin_listen", "must be host:port, such as 127.0.0.1:9090")
	}
}
