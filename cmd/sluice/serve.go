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

	"github.com/spf13/cobra"

	"sluice/internal/app"
	"sluice/internal/auth"
	"sluice/internal/config"
	"sluice/internal/llm"
	"sluice/internal/store"
)

// source are the flags that say where the configuration comes from and what of it is overridden.
type source struct {
	config   string
	listen   string
	dataDir  string
	database string
}

func (s *source) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.config, "config", "c", "", "configuration file (default ./sluice.yaml if there is one, else the environment)")
	cmd.Flags().StringVar(&s.dataDir, "data-dir", "", "directory of the SQLite database, over data_dir of the configuration")
	cmd.Flags().StringVar(&s.database, "database", "", "postgres:// URL, over database of the configuration")
}

func (s *source) load() (*config.Config, error) {
	c, err := config.Load(s.config, os.LookupEnv)
	if bad, ok := errors.AsType[*config.Error](err); ok {
		return nil, errors.New("the configuration is wrong:\n" + bad.Excerpt())
	}
	if err != nil {
		return nil, err
	}
	c.Adjust(s.adjust)
	return c, nil
}

// adjust puts the flags over a configuration.
func (s *source) adjust(c *config.Config) {
	if s.listen != "" {
		c.Ingress.Listen = s.listen
	}
	if s.dataDir != "" {
		c.DataDir, c.Database = s.dataDir, llm.Secret{}
	}
	if s.database != "" {
		c.Database = llm.NewSecret(s.database)
	}
}

func newServeCommand() *cobra.Command {
	var src source
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: `Runs the gateway until it is interrupted. Without a configuration file, providers come from environment variables
(OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, ...; docs/CONFIGURATION.md lists them), and with none of those a simulated provider answers.

SIGHUP reads the configuration again, as does a change of its file. SIGTERM or Ctrl-C drains: calls under way may
finish; a second one ends them.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := src.load()
			if err != nil {
				return err
			}
			return serve(cmd.Context(), c, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	src.flags(cmd)
	cmd.Flags().StringVar(&src.listen, "listen", "", "address for clients, over listen of the configuration")
	return cmd
}

// serve runs the gateway until ctx ends.
func serve(ctx context.Context, c *config.Config, out, log io.Writer) error {
	a, err := app.New(ctx, c, app.Options{Version: version, Log: log, Env: os.LookupEnv})
	if err != nil {
		return err
	}
	for _, n := range c.Notices() {
		fmt.Fprintln(log, "notice:", c.Place(n))
	}
	banner(ctx, out, c, a)

	now, cut := context.WithCancel(context.Background()) // ends with the second signal
	defer cut()
	signals := make(chan os.Signal, 4) // sent by the runtime; received below until Run has returned
	signal.Notify(signals, syscall.SIGHUP, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	done := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		ends := 0
		for {
			select {
			case <-done:
				return
			case s := <-signals:
				if s == syscall.SIGHUP {
					_ = a.Reload(ctx) // the App has logged what became of it
				} else if ends++; ends > 1 {
					cut()
				}
			}
		}
	}()
	err = a.Run(ctx, now)
	close(done)
	<-watched
	return err
}

// banner prints where the gateway is, what it found, and commands that work.
func banner(ctx context.Context, out io.Writer, c *config.Config, a *app.App) {
	scheme := "http"
	if c.Ingress.TLS.CertFile != "" {
		scheme = "https"
	}
	base := scheme + "://" + a.Addr().String()
	var names []string
	for _, p := range c.Providers {
		name := p.Name
		if p.API == "sim" {
			name += " (simulated)"
		}
		names = append(names, name)
	}
	fmt.Fprintf(out, "Sluice %s on %s\n", version, base)
	fmt.Fprintf(out, "  providers  %s\n", strings.Join(names, ", "))
	fmt.Fprintf(out, "  clients    %s\n", a.Access())
	fmt.Fprintf(out, "  records    %s\n", a.Database())
	if len(c.Providers) == 1 && c.Providers[0].API == "sim" {
		fmt.Fprintln(out, "  Set OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY or the like, or write a sluice.yaml, to use a real provider.")
	}
	model := a.ExampleModel(ctx, c)
	if model == "" {
		return
	}
	fmt.Fprintln(out, "Try it, in the dialect of OpenAI, of Anthropic or of Gemini:")
	for _, line := range exampleLines(base, model, !a.Open()) {
		fmt.Fprintf(out, "  %s\n", line)
	}
}

// exampleLines are one command for each of the three dialects that clients speak most, in a form that can be pasted into a shell.
func exampleLines(base, model string, keyed bool) []string {
	line := func(url, auth, body string) string {
		key := ""
		if keyed {
			key = ` -H "` + auth + `$SLUICE_KEY"`
		}
		return "curl -N " + url + " -H 'Content-Type: application/json'" + key + " -d '" + body + "'"
	}
	const hello = `"stream": true, "messages": [{"role": "user", "content": "Hello!"}]}`
	return []string{
		line(base+"/v1/chat/completions", "Authorization: Bearer ", `{"model": "`+model+`", `+hello),
		line(base+"/anthropic/v1/messages", "x-api-key: ", `{"model": "`+model+`", "max_tokens": 500, `+hello),
		line("'"+base+"/gemini/v1beta/models/"+model+":streamGenerateContent?alt=sse'", "x-goog-api-key: ", `{"contents": [{"parts": [{"text": "Hello!"}]}]}`),
	}
}

// openStore opens the database that a command's flags and the configuration name.
func openStore(cmd *cobra.Command) (*store.Store, *auth.Config, error) {
	var src source
	f := cmd.Flags()
	for name, to := range map[string]*string{"config": &src.config, "data-dir": &src.dataDir, "database": &src.database} {
		v, err := f.GetString(name)
		if err != nil {
			return nil, nil, err
		}
		*to = v
	}
	c, err := src.load()
	if err != nil {
		return nil, nil, err
	}
	s, err := store.Open(cmd.Context(), c.Database.Reveal(), c.DataDir)
	return s, &c.Auth, err
}
