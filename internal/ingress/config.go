package ingress

import (
	"net"
	"time"

	"sluice/internal/file"
	"sluice/internal/replay"
	"sluice/internal/thread"
)

// Config says where clients are answered and what a client may cost.
type Config struct {
	// Listen is the address that clients connect to. Any address that is not loopback needs keys.
	Listen string `yaml:"listen" reload:"restart" example:"0.0.0.0:8080"`
	// TLS makes the client side speak HTTPS (and HTTP/2). Without it, plain HTTP is spoken.
	TLS TLSConfig `yaml:"tls"`
	// MaxBody is the largest request body that is read; a larger one is refused with 413.
	MaxBody int64 `yaml:"max_body" unit:"bytes" min:"1024" example:"64MiB"`
	// MaxUpload is the largest request body that is streamed through to the provider without being kept (audio and image files, what is
	// relayed raw); a larger one is cut off.
	MaxUpload int64 `yaml:"max_upload" unit:"bytes" min:"1024" example:"1GiB"`
	// Clients limits clients that are slow or silent.
	Clients ClientsConfig `yaml:"clients"`
	// KeepAlive says what clients are sent while they wait.
	KeepAlive KeepAlive `yaml:"keep_alive"`
	// Resume says how streamed answers are recorded, so that a client that was cut off can go on reading.
	Resume replay.Config `yaml:"resume"`
	// Idempotency says what is kept for requests with an Idempotency-Key.
	Idempotency replay.KeyConfig `yaml:"idempotency"`
	// Drain says how a shutdown ends calls under way.
	Drain DrainConfig `yaml:"drain"`
	// Responses says which answers of OpenAI's Responses API are kept, so that clients can go on with them by their id.
	Responses thread.Config `yaml:"responses"`
	// Files says how files are kept that clients upload to /v1/files.
	Files file.Config `yaml:"files"`
}

// TLSConfig names the certificate of the client side. Both files or none.
type TLSConfig struct {
	// CertFile is the PEM file with the certificate chain.
	CertFile string `yaml:"cert_file" reload:"restart" example:"/etc/sluice/tls.crt"`
	// KeyFile is the PEM file with the private key.
	KeyFile string `yaml:"key_file" reload:"restart" example:"/etc/sluice/tls.key"`
}

// ClientsConfig limits how long a client may take at each step.
type ClientsConfig struct {
	// ReadHeader is the longest time a client may take to send the headers of a request.
	ReadHeader time.Duration `yaml:"read_header" reload:"restart" min:"1ms"`
	// ReadBody is the longest time a client may take to send the body of a request.
	ReadBody time.Duration `yaml:"read_body" min:"1ms"`
	// WriteStall is the longest time one write to a client may block before the client counts as gone.
	WriteStall time.Duration `yaml:"write_stall" min:"1ms"`
	// KeepAlive is how long an idle connection is kept for the client's next request.
	KeepAlive time.Duration `yaml:"keep_alive" reload:"restart" min:"1ms"`
}

// KeepAlive says what is sent to a client that waits, so that no load balancer between takes its connection for dead.
type KeepAlive struct {
	// Interval is after how long without bytes a keep-alive is sent on a stream, in a form that means nothing to clients. The first one
	// settles the status: an error that comes later is told in the stream. 0 sends none.
	Interval time.Duration `yaml:"interval"`
	// Whole is Interval for answers that are not streamed: white space is sent before the JSON. The status is 200 from then on, so that a later
	// error comes as an error body with status 200, which SDKs take for an answer, and the answer's X-Sluice headers are lost. 0 sends none.
	Whole time.Duration `yaml:"whole" example:"50s"`
}

// leastKeepAlive is what keeps a slip of the pen (5ms for 5s) from costing more than the answer.
const leastKeepAlive = 10 * time.Millisecond

// Validate reports each problem with the key that it is at.
func (k *KeepAlive) Validate(fail func(key, message string)) {
	if k.Interval > 0 && k.Interval < leastKeepAlive {
		fail("interval", "must be 0, or at least 10ms")
	}
	if k.Whole > 0 && k.Whole < leastKeepAlive {
		fail("whole", "must be 0, or at least 10ms")
	}
}

// DrainConfig holds the deadlines of a shutdown, counted from the signal.
type DrainConfig struct {
	// Delay is how long the server goes on accepting calls after it has reported not ready, so that load balancers
	// see it first.
	Delay time.Duration `yaml:"delay"`
	// Soft is when calls still running are told to end in their own protocol.
	Soft time.Duration `yaml:"soft"`
	// Hard is when what is left is cut off.
	Hard time.Duration `yaml:"hard"`
}

// SetDefaults fills in what a file may leave out.
func (c *Config) SetDefaults() {
	c.Listen = "127.0.0.1:8080"
	c.MaxBody = 32 << 20
	c.MaxUpload = 512 << 20
	c.Clients = ClientsConfig{
		ReadHeader: 10 * time.Second,
		ReadBody:   time.Minute,
		WriteStall: 30 * time.Second,
		KeepAlive:  2 * time.Minute,
	}
	c.KeepAlive = KeepAlive{Interval: 15 * time.Second}
	c.Resume.SetDefaults()
	c.Idempotency.SetDefaults()
	c.Drain = DrainConfig{Soft: 20 * time.Second, Hard: 30 * time.Second}
	c.Responses.SetDefaults()
	c.Files.SetDefaults()
}

// Validate reports each problem with the key that it is at.
func (c *Config) Validate(fail func(key, message string)) {
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		fail("listen", "must be host:port, such as 127.0.0.1:8080 or :8080")
	}
	if c.TLS.CertFile != "" && c.TLS.KeyFile == "" {
		fail("tls.key_file", "is missing; tls needs cert_file and key_file")
	}
	if c.TLS.KeyFile != "" && c.TLS.CertFile == "" {
		fail("tls.cert_file", "is missing; tls needs cert_file and key_file")
	}
	if c.Drain.Hard < c.Drain.Soft {
		fail("drain.hard", "must not come before drain.soft")
	}
	if c.Drain.Soft < c.Drain.Delay {
		fail("drain.soft", "must not come before drain.delay")
	}
}

// Loopback reports whether only programs on this machine can connect to the address that clients are answered at.
func (c *Config) Loopback() bool { return loopback(c.Listen) }

// loopback takes every host it cannot be sure of for a public one.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
