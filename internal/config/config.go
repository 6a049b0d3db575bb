// Package config reads Sluice's one configuration file. It composes the Config structs of the packages that own the
// settings, decodes YAML into them strictly, resolves references to secrets, and reports every error at once with its
// place in the file. Where there is no file, it makes a configuration from the usual environment variables. It also
// compares, redacts and watches configurations. What a setting means is decided by the package that owns it.
//
// Load and its kin run no goroutines; Watcher.Run belongs to its caller.
package config

import (
	"sluice/internal/admit"
	"sluice/internal/auth"
	"sluice/internal/console"
	"sluice/internal/dialect"
	"sluice/internal/gateway"
	"sluice/internal/ingress"
	"sluice/internal/ledger"
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/obs"
	"sluice/internal/pace"
	"sluice/internal/route"
	"sluice/internal/sim"
	"sluice/internal/upstream"
)

// The policies for the model name in answers.
const (
	ResponseModelUpstream  = "upstream"  // as the provider wrote it
	ResponseModelRequested = "requested" // as the client asked for it
)

// Config is the effective configuration: one immutable snapshot after Load returned it.
type Config struct {
	// Ingress is the side that clients see.
	Ingress ingress.Config `yaml:",inline"`
	// DataDir is the directory for what the program keeps: the SQLite database when no other is named.
	DataDir string `yaml:"data_dir" reload:"restart" example:"/var/lib/sluice"`
	// Database is the URL of a PostgreSQL database. Without it, SQLite in data_dir is used.
	Database llm.Secret `yaml:"database" reload:"restart" example:"${DATABASE_URL:-}"`
	// Redis is the URL of a Redis server through which replicas share quotas, limits of keys, budgets and what they know of broken targets.
	// Without it, each replica goes by its own count.
	Redis llm.Secret `yaml:"redis" reload:"restart" example:"${REDIS_URL:-}"`
	// Replicas is the least number of replicas to reckon with while Redis cannot be asked: each takes its part of every limit. What Redis
	// said last counts if it is more.
	Replicas int `yaml:"replicas" reload:"restart" min:"1" example:"3"`
	// Console guards the operator's side.
	Console console.Config `yaml:",inline"`
	// Obs shapes logs and traces.
	Obs obs.Config `yaml:",inline"`
	// ResponseModel says what clients read in an answer's model field: upstream for the name that the provider wrote,
	// requested for the name that the client asked for.
	ResponseModel string `yaml:"response_model" enum:"upstream,requested"`
	// Parameters says what becomes of a parameter of a request that the chosen target cannot honour: warn leaves it out and names it
	// in the answer's header X-Sluice-Dropped-Params, drop leaves it out, reject refuses the call.
	Parameters string `yaml:"parameters" enum:"warn,drop,reject"`
	// Prices overrides the built-in price table.
	Prices model.Config `yaml:",inline"`
	// Queue bounds the one queue that calls wait in when their targets are busy.
	Queue admit.Config `yaml:"queue"`
	// Ledger says how the record of calls is written.
	Ledger ledger.Config `yaml:"ledger"`
	// Timeouts hold for every call whose model sets none of its own.
	Timeouts upstream.Timeouts `yaml:"timeouts"`
	// Breaker says when targets are taken out of use, and when they are tried again.
	Breaker pace.Config `yaml:"breaker"`
	// Retry holds for every call whose model sets none of its own.
	Retry gateway.Retry `yaml:"retry"`
	// Rescue holds for every call whose model says nothing else.
	Rescue gateway.Rescue `yaml:",inline"`
	// Providers are the accounts at providers, by name. provider/model is always a valid model name. With none, there
	// is one simulated provider named sim.
	Providers []Provider `yaml:"providers" keyed:"Name"`
	// Models are public model names and the targets behind each. They are looked up before provider/model.
	Models []Model `yaml:"models" keyed:"Name"`
	// Auth holds tiers and clients' keys.
	Auth auth.Config `yaml:",inline"`

	source source
}

// Provider is one account at a provider, with the engine of a simulated one.
type Provider struct {
	upstream.Provider `yaml:",inline"`
	// Sim shapes the simulated provider, for api sim.
	Sim sim.Config `yaml:"sim"`
}

// Model is one public model name with the limits of its calls.
type Model struct {
	route.Model `yaml:",inline"`
	// Timeouts are the limits of the model's calls. What is left out is taken from timeouts at the top.
	Timeouts upstream.Timeouts `yaml:"timeouts"`
	// Retry says how calls of the model are tried again. What is left out is taken from retry at the top.
	Retry gateway.Retry `yaml:"retry"`
	// Rescue is what holds for the model's calls. What is left out is taken from the same keys at the top.
	Rescue gateway.Rescue `yaml:",inline"`
	// Parameters is parameters at the top, for the model's calls. What is left out is taken from there.
	Parameters string `yaml:"parameters" enum:"warn,drop,reject"`
}

// source is where a Config came from.
type source struct {
	file    string   // path as it was named; empty when the environment was the source
	files   []string // the file and all files that its values refer to
	notices []Notice
	adjust  func(*Config) // what a command line changed; nil for nothing
}

// Notice is something that a user should know of a configuration that is valid.
type Notice struct {
	Position        // of the value; zero when it came from the environment
	Key      string // key path, or the name of an environment variable
	Message  string
}

// Position is a place in the file. Lines and columns count from 1.
type Position struct{ Line, Column int }

// SetDefaults fills in what a file may leave out.
func (c *Config) SetDefaults() {
	c.Ingress.SetDefaults()
	c.DataDir = "./sluice-data"
	c.Replicas = 1
	c.Console.SetDefaults()
	c.Obs.SetDefaults()
	c.ResponseModel = ResponseModelUpstream
	c.Parameters = dialect.Warn.String()
	c.Prices.SetDefaults()
	c.Queue.SetDefaults()
	c.Ledger.SetDefaults()
	c.Timeouts.SetDefaults()
	c.Breaker.SetDefaults()
	c.Retry.SetDefaults()
	c.Rescue.SetDefaults()
	c.Auth.SetDefaults()
}

// SetDefaults fills in what a file may leave out.
func (p *Provider) SetDefaults() { p.Provider.SetDefaults() }

// SetDefaults fills in what a file may leave out. The loader puts the timeouts and retry of the top in their place.
func (m *Model) SetDefaults() {
	m.Model.SetDefaults()
	m.Timeouts.SetDefaults()
	m.Retry.SetDefaults()
	m.Rescue.SetDefaults()
	m.Parameters = dialect.Warn.String()
}

// File returns the path of the file that the configuration was read from; empty if there was none.
func (c *Config) File() string { return c.source.file }

// Adjust changes the configuration by what a command line says, which holds over the file and after each reload of it. f is
// called at once and for each later configuration, and must not depend on what it changes.
func (c *Config) Adjust(f func(*Config)) {
	f(c)
	c.source.adjust = f
}

// Notices returns what a user should know of the configuration, in the order of the file.
func (c *Config) Notices() []Notice { return c.source.notices }

// Keyed reports whether the configuration names keys for clients. More may be in the database.
func (c *Config) Keyed() bool { return len(c.Auth.Keys) > 0 }
