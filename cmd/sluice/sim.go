package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/internal/llm"
	"sluice/internal/sim"
)

// simFlags are the flags of `sluice sim`. A flag that is given wins over the file.
type simFlags struct {
	listen, config, apiKey, latency string
	deviate                         string
	seed                            uint64
	clock                           int64
	record, recordLight             int
	faults                          []string // rules in one line each
	faultsFile, rehearse            string
	anyModel, listFaults            bool
	quota                           sim.QuotaConfig // for all models together; none without a limit
}

func newSimCommand() *cobra.Command {
	var f simFlags
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Run a simulated LLM provider to test clients against",
		Long: "Run a simulated LLM provider that speaks the protocols of OpenAI (chat, Responses and the rest), Anthropic, Gemini,\n" +
			"Vertex AI, Azure OpenAI, Bedrock, Cohere, Voyage and Jina, each by its paths, with the timing of a serving engine,\n" +
			"rate limits, and faults on demand. Same seed, same answers.",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.listFaults {
				return printFaults(cmd.OutOrStdout())
			}
			c, err := f.load(cmd)
			if err != nil {
				return err
			}
			return runSim(cmd.Context(), cmd.OutOrStdout(), f.listen, c)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:9999", "address to listen on")
	flags.StringVar(&f.config, "config", "", "YAML `file` with models, limits and faults")
	flags.Uint64Var(&f.seed, "seed", 1, "seed of every choice")
	flags.StringVar(&f.apiKey, "api-key", "", "`key` that clients must send, in the way of their dialect (default: none needed)")
	flags.StringVar(&f.latency, "latency", "model", "model: times of a serving engine; none: as fast as possible")
	flags.Int64Var(&f.clock, "clock", 0, "freeze the time in answers at these Unix `seconds`")
	flags.IntVar(&f.record, "record", 0, "keep the last `N` requests for GET /sim/requests")
	flags.IntVar(&f.recordLight, "record-light", 0, "keep the last `N` requests without headers and bodies, in place of --record")
	flags.StringArrayVar(&f.faults, "fault", nil, "a `rule` of faults, for example 'down from=20s for=60s' or 'cut;after=random probability=0.03'; may be repeated")
	flags.StringVar(&f.faultsFile, "faults", "", "YAML `file` with a list of fault rules")
	flags.StringVar(&f.rehearse, "rehearse", "", "play a ready-made `schedule` of faults: "+strings.Join(sim.Rehearsals(), ", "))
	flags.BoolVar(&f.anyModel, "any-model", false, "serve unknown model names too")
	flags.StringVar(&f.deviate, "deviate", "", "speak OpenAI's dialect as this `provider` does, for example groq (see --list-faults)")
	f.quotaFlags(flags)
	flags.BoolVar(&f.listFaults, "list-faults", false, "print the faults and exit")
	return cmd
}

// quotaFlags are those of one quota that all models share.
func (f *simFlags) quotaFlags(flags *pflag.FlagSet) {
	q := &f.quota
	flags.Int64Var(&q.RPM, "rpm", 0, "`limit` of requests a minute, for all models together")
	flags.Int64Var(&q.TPM, "tpm", 0, "`limit` of tokens a minute")
	flags.Int64Var(&q.InputTPM, "input-tpm", 0, "`limit` of input tokens a minute")
	flags.Int64Var(&q.OutputTPM, "output-tpm", 0, "`limit` of output tokens a minute")
	flags.Int64Var(&q.RPD, "rpd", 0, "`limit` of requests a day")
	flags.Int64Var(&q.TPD, "tpd", 0, "`limit` of tokens a day")
	flags.StringVar(&q.Enforce, "enforce", "bucket", "how limits of a minute are enforced: bucket, fixed, slices or sliding")
	flags.DurationVar(&q.Burst, "burst", 0, "how much of its rate a full bucket holds (default 1m0s)")
	flags.DurationVar(&q.Window, "window", 0, "length of fixed and sliding windows (default 1m0s)")
	flags.DurationVar(&q.Phase, "phase", 0, "moves the beginnings of fixed windows, which else lie where Unix time is a multiple of their length")
	flags.StringVar(&q.Charge, "charge", "corrected", "tokens that count: corrected (input and max_tokens, at the end what was used), max_tokens (without the end) or actual")
	flags.BoolVar(&q.FreeCached, "free-cached", false, "input from the prompt cache does not count")
	flags.BoolVar(&q.CountFailed, "count-failed", false, "requests that are refused count as requests")
	flags.StringVar(&q.Headers, "quota-headers", "true", "what headers tell of limits: true, none, wrong (nothing is ever used) or half")
	flags.StringVar(&q.RetryAfter, "retry-after", "true", "how refusals by a limit state the wait: true, seconds (rounded up) or none")
}

// limited reports whether the flags have a limit.
func (f *simFlags) limited() bool {
	q := &f.quota
	return q.RPM != 0 || q.TPM != 0 || q.InputTPM != 0 || q.OutputTPM != 0 || q.RPD != 0 || q.TPD != 0
}

// simFile is the configuration file of `sluice sim`: the simulator's own settings and the credentials that clients must
// send, literally or as ${NAME} of an environment variable.
type simFile struct {
	sim.Config `yaml:",inline"`
	APIKey     string `yaml:"api_key,omitempty"`
	AWS        struct {
		AccessKey    string `yaml:"access_key"`
		SecretKey    string `yaml:"secret_key"`
		SessionToken string `yaml:"session_token"`
		Region       string `yaml:"region"`
	} `yaml:"aws"`
	Google struct {
		Email         string        `yaml:"email"`
		PublicKeyFile string        `yaml:"public_key_file"`
		TokenLifetime time.Duration `yaml:"token_lifetime"`
	} `yaml:"google"`
}

// credentials resolves the references in the file and hands them to the simulator.
func (f *simFile) credentials(path string) error {
	for _, ref := range []struct {
		key  string
		text *string
	}{
		{"api_key", &f.APIKey}, {"aws.secret_key", &f.AWS.SecretKey}, {"aws.session_token", &f.AWS.SessionToken},
	} {
		name, ok := strings.CutPrefix(*ref.text, "${")
		if !ok {
			continue
		}
		name = strings.TrimSuffix(name, "}")
		if *ref.text = os.Getenv(name); *ref.text == "" {
			return fmt.Errorf("read %s of %s: the environment has no %s", ref.key, path, name)
		}
	}
	f.Config.AWS = sim.AWSKeys{
		AccessKey: f.AWS.AccessKey, SecretKey: llm.NewSecret(f.AWS.SecretKey),
		SessionToken: llm.NewSecret(f.AWS.SessionToken), Region: f.AWS.Region,
	}
	f.Config.Google = sim.ServiceAccount{Email: f.Google.Email, TokenLifetime: f.Google.TokenLifetime}
	if file := f.Google.PublicKeyFile; file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read google.public_key_file of %s: %w", path, err)
		}
		f.Config.Google.PublicKey = string(text)
	}
	return nil
}

// load reads the file, if there is one, and puts the flags that were given over it.
func (f *simFlags) load(cmd *cobra.Command) (sim.Config, error) {
	var file simFile
	if f.config != "" {
		text, err := os.ReadFile(f.config)
		if err != nil {
			return sim.Config{}, fmt.Errorf("read simulator configuration: %w", err)
		}
		if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
			return sim.Config{}, fmt.Errorf("read simulator configuration %s: %w", f.config, err)
		}
	}
	if err := file.credentials(f.config); err != nil {
		return sim.Config{}, err
	}
	c := file.Config
	given := cmd.Flags().Changed
	if given("seed") || c.Seed == 0 {
		c.Seed = f.seed
	}
	if given("latency") || c.Latency == "" {
		c.Latency = f.latency
	}
	if given("clock") {
		c.Clock = f.clock
	}
	if given("deviate") {
		c.Deviate = f.deviate
	}
	if given("record") {
		c.Record, c.RecordLight = f.record, 0
	}
	if given("record-light") {
		c.RecordLight, c.Record = f.recordLight, 0
	}
	if given("any-model") {
		c.AnyModel = f.anyModel
	}
	if f.limited() {
		c.Quotas = append(c.Quotas, f.quota)
	} else if given("enforce") || given("charge") || given("quota-headers") || given("retry-after") {
		return sim.Config{}, errors.New("read flags: --enforce, --charge, --quota-headers and --retry-after need a limit: --rpm, --tpm, --input-tpm, --output-tpm, --rpd or --tpd")
	}
	c.APIKey = llm.NewSecret(file.APIKey)
	if f.apiKey != "" {
		c.APIKey = llm.NewSecret(f.apiKey)
	}
	rules, err := f.rules()
	if err != nil {
		return sim.Config{}, err
	}
	c.Faults = append(rules, c.Faults...)
	return c, nil
}

// rules are those of the flags, in the order in which they are tried: single ones, then a file's, then a rehearsal's.
func (f *simFlags) rules() ([]sim.FaultRule, error) {
	var all []sim.FaultRule
	for _, line := range f.faults {
		rule, err := sim.ParseRule(line)
		if err != nil {
			return nil, fmt.Errorf("read --fault: %w", err)
		}
		all = append(all, rule)
	}
	if f.faultsFile != "" {
		text, err := os.ReadFile(f.faultsFile)
		if err != nil {
			return nil, fmt.Errorf("read fault rules: %w", err)
		}
		var list []sim.FaultRule
		if err := yaml.UnmarshalWithOptions(text, &list, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("read fault rules %s: %w", f.faultsFile, err)
		}
		var errs []error
		for i := range list {
			list[i].Validate(func(key, message string) {
				errs = append(errs, fmt.Errorf("read fault rules %s: rule %d, %s: %s", f.faultsFile, i+1, key, message))
			})
		}
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	if f.rehearse != "" {
		rules, err := sim.Rehearsal(f.rehearse)
		if err != nil {
			return nil, fmt.Errorf("read --rehearse: %w", err)
		}
		all = append(all, rules...)
	}
	return all, nil
}

// runSim serves until the process is told to stop.
func runSim(ctx context.Context, out io.Writer, addr string, c sim.Config) error {
	s, err := sim.New(c)
	if err != nil {
		return err
	}
	url, err := s.Listen(addr)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	printWelcome(out, url, c)
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	select {
	case err = <-served:
		_ = s.Close() // the listener is gone already: err says why
		return err
	case <-ctx.Done():
	}
	if err := s.Close(); err != nil {
		return fmt.Errorf("close simulator: %w", err)
	}
	if err := <-served; err != nil {
		return err
	}
	st := s.Stats()
	fmt.Fprintf(out, "stopped after %d requests, %d of them refused, %d left by the client\n",
		st.Requests, st.Refused, st.Aborted)
	return nil
}

func printWelcome(out io.Writer, url string, c sim.Config) {
	models := c.Models
	if len(models) == 0 {
		models = sim.DefaultModels()
	}
	names := make([]string, len(models))
	chat := ""
	for i, m := range models {
		names[i] = m.Name
		if chat == "" && m.Kind != "embedding" {
			chat = m.Name
		}
	}
	root := strings.TrimSuffix(url, "/v1")
	fmt.Fprintf(out, "simulated provider at %s (seed %d, latency %s)\n", url, c.Seed, c.Latency)
	fmt.Fprintf(out, "models: %s\n", strings.Join(names, ", "))
	if chat != "" {
		for _, line := range curlLines(root, chat, !c.APIKey.Empty()) {
			fmt.Fprintf(out, "try:    %s\n", line)
		}
		fmt.Fprintf(out, "faults: model \"%s:cut;after=5\" or header X-Sim-Fault; all of them: sluice sim --list-faults\n", chat)
	}
	for _, r := range c.Faults {
		fmt.Fprintf(out, "plays:  %s\n", r.String())
	}
	for _, q := range c.Quotas {
		fmt.Fprintf(out, "limits: %s\n", q.String())
	}
	fmt.Fprintf(out, "counts: %s/sim/stats\n", root)
}

// curlLines are one request for each dialect, in a form that can be pasted into a shell.
func curlLines(root, model string, keyed bool) []string {
	line := func(path, header, auth, body string) string {
		if keyed {
			header += " -H '" + auth + ": '\"$KEY\""
			if auth == "Authorization" {
				header = strings.Replace(header, "Authorization: '", "Authorization: Bearer '", 1)
			}
		}
		return "curl -N '" + root + path + "'" + header + " -H 'Content-Type: application/json' -d '" + body + "'"
	}
	const say = `"messages":[{"role":"user","content":"hello"}]`
	name := `"model":"` + model + `",`
	return []string{
		line("/v1/chat/completions", "", "Authorization", `{`+name+`"stream":true,`+say+`}`),
		line("/v1/responses", "", "Authorization", `{`+name+`"stream":true,"input":"hello"}`),
		line("/v1/messages", " -H 'anthropic-version: 2026-10-21'", "x-api-key", `{`+name+`"max_tokens":500,"stream":true,`+say+`}`),
		line("/v1beta/models/"+model+":streamGenerateContent?alt=sse", "", "x-goog-api-key", `{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}`),
		line("/model/"+model+"/converse", "", "Authorization", `{"messages":[{"role":"user","content":[{"text":"hello"}]}]}`),
		line("/openai/deployments/"+model+"/chat/completions?api-version=2024-10-21", "", "api-key", `{"stream":true,`+say+`}`),
	}
}

func printFaults(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "FAULT\tKEYS\tWHAT HAPPENS")
	for _, f := range sim.Faults() {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Name, f.Params, f.Doc)
	}
	fmt.Fprintln(w, "\nEvery fault takes first=N, skip=N, p=SHARE and once=1 too. Example: sim-fast:429;after=2;first=3+crlf")
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print faults: %w", err)
	}
	return nil
}
