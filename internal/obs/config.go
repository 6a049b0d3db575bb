package obs

import (
	"net/url"

	"sluice/internal/llm"
)

// Config says what is written to the log and where traces go.
type Config struct {
	// Log is the program's own log, on standard error.
	Log LogConfig `yaml:"log"`
	// Tracing sends spans of each call to an OpenTelemetry collector.
	Tracing TracingConfig `yaml:"tracing"`
}

// LogConfig shapes the program's own log.
type LogConfig struct {
	// Level is the lowest level that is written.
	Level string `yaml:"level" enum:"debug,info,warn,error"`
	// Format is text, json, or auto: text on a terminal and json elsewhere.
	Format string `yaml:"format" enum:"auto,text,json"`
}

// TracingConfig names the collector of traces. Without an endpoint there is no tracing and it costs nothing.
type TracingConfig struct {
	// Endpoint is the collector's OTLP/HTTP URL.
	Endpoint string `yaml:"endpoint" reload:"restart" example:"http://127.0.0.1:4318/v1/traces"`
	// Sample is the share of calls that are traced. A call whose client sends a sampled traceparent is always traced.
	Sample float64 `yaml:"sample" unit:"share" reload:"restart" example:"5%"`
	// Headers are added to each request to the collector. Their values are treated as secrets.
	Headers map[string]llm.Secret `yaml:"headers" reload:"restart" example:"{Authorization: \"Bearer ${OTLP_TOKEN}\"}"`
}

// SetDefaults fills in what a file may leave out.
func (c *Config) SetDefaults() {
	c.Log = LogConfig{Level: "info", Format: "auto"}
	c.Tracing = TracingConfig{Sample: 1}
}

// Validate reports each problem with the key that it is at.
func (c *Config) Validate(fail func(key, message string)) {
	if c.Tracing.Endpoint == "" {
		return
	}
	// The message does not repeat the URL: it may hold a credential.
	u, err := url.Parse(c.Tracing.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		fail("tracing.endpoint", "must be a URL that begins with http:// or https://")
	} else if u.User != nil {
		fail("tracing.endpoint", "must not contain a user or password; use tracing.headers")
	}
}
