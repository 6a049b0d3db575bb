package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/config"
	"sluice/internal/doctor"
	"sluice/internal/live"
	"sluice/internal/model"
	"sluice/internal/sim"
	"sluice/internal/store"
)

// doctorFlags are the flags of `sluice doctor`.
type doctorFlags struct {
	src                       source
	yes, dryRun, noCall, json bool
	timeout                   time.Duration
}

func newDoctorCommand() *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor [target|model|provider ...]",
		Short: "Check the machine, the providers and each target, and propose quotas",
		Long: `Checks what the gateway depends on, as serve would use it: the configuration, the data directory and database, ports and
open files; for each provider the way there (proxy, DNS, TCP, TLS, clock), the key and the list of models; and each target
by one small streamed call of at most 16 tokens. Says of whatever is not in order what to do, and proposes quotas from the
rate limits that providers state. It changes nothing.

Targets are those of the configuration file, or of the providers that the environment's keys are for; or the named ones
(provider/model, a model of the configuration, or a provider for all of its targets). A provider that no model is named
for is called by the cheapest chat model that it lists.

On a terminal it asks before it makes calls that cost money; --yes does not ask, --dry-run tells what would be called and
the most that it can cost, --no-call checks what is free. It ends with an error if anything fails.`,
		Example:       "  sluice doctor --dry-run\n  sluice doctor -c sluice.yaml openai/gpt-4o-mini\n  sluice doctor --yes --json > doctor.json",
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.timeout <= 0 {
				return fmt.Errorf("--timeout is %s, want more than 0", f.timeout)
			}
			return f.run(cmd, args)
		},
	}
	f.src.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.src.listen, "listen", "", "address for clients, over listen of the configuration")
	flags.BoolVarP(&f.yes, "yes", "y", false, "make the calls without asking")
	flags.BoolVar(&f.dryRun, "dry-run", false, "tell what would be called and the most that it can cost; connect to nothing")
	flags.BoolVar(&f.noCall, "no-call", false, "check all but the calls, which cost money")
	flags.DurationVar(&f.timeout, "timeout", time.Minute, "longest `time` for one request")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "no-call")
	return cmd
}

// doctorReport is what the command prints with --json.
type doctorReport struct {
	Version  string                 `json:"version"`
	Config   string                 `json:"config"` // file, or "environment"
	ConfigID string                 `json:"config_id"`
	Started  time.Time              `json:"started"`
	Machine  []doctor.Check         `json:"machine"`
	Accounts []doctor.AccountReport `json:"accounts"`
	Plan     []doctor.Planned       `json:"plan"`   // calls that were made, or would be
	Called   bool                   `json:"called"` // whether they were
	Quotas   string                 `json:"quotas_yaml"`
	Warnings int                    `json:"warnings"`
	Failures int                    `json:"failures"`
}

func (f *doctorFlags) run(cmd *cobra.Command, names []string) error {
	c, err := f.src.load()
	if err != nil {
		return err
	}
	prices, err := model.Load(c.Prices.PricesFile)
	if err != nil {
		return err
	}
	accounts, err := doctorAccounts(c, names)
	if err != nil {
		return err
	}
	stop, err := startSimulated(c, accounts)
	if err != nil {
		return err
	}
	defer stop()
	exam, err := doctor.New(doctor.Options{Accounts: accounts, Prices: prices, Connect: c.Timeouts.Connect, Timeout: f.timeout})
	if err != nil {
		return err
	}
	defer exam.Close()
	r := doctorReport{Version: version, Config: c.File(), ConfigID: c.ID(), Started: time.Now().UTC()}
	if r.Config == "" {
		r.Config = "environment"
	}
	if err := f.examine(cmd, c, exam, &r); err != nil {
		return err
	}
	if f.json {
		err = writeJSON(cmd.OutOrStdout(), r)
	} else {
		err = writeDoctor(cmd.OutOrStdout(), &r, f.dryRun)
	}
	if err == nil && r.Failures > 0 {
		err = fmt.Errorf("doctor: %s failed", count(r.Failures, "check"))
	}
	return err
}

// examine fills the report.
func (f *doctorFlags) examine(cmd *cobra.Command, c *config.Config, exam *doctor.Exam, r *doctorReport) error {
	ctx := cmd.Context()
	if f.dryRun {
		r.Machine, r.Accounts, r.Plan = []doctor.Check{}, []doctor.AccountReport{}, exam.Plan()
		return nil
	}
	say := func(format string, args ...any) {
		if w := cmd.ErrOrStderr(); live.IsTerminal(w) {
			fmt.Fprintf(w, format+"\n", args...)
		}
	}
	r.Machine = checkMachine(ctx, c)
	say("looking at %s ...", count(len(exam.Reports()), "provider"))
	exam.Connect(ctx)
	r.Plan = exam.Plan()
	call := !f.noCall && ctx.Err() == nil
	if call && !f.yes && costs(r.Plan) && live.IsTerminal(cmd.InOrStdin()) {
		call = ask(ctx, cmd, r.Plan)
	}
	if call {
		say("calling %s ...", count(len(r.Plan), "target"))
		exam.Call(ctx)
	}
	if err := ctx.Err(); err != nil {
		return errors.New("doctor: interrupted")
	}
	r.Called, r.Accounts = call, exam.Reports()
	r.Quotas = doctor.ProposeQuotas(r.Accounts)
	r.tally()
	return nil
}

func (r *doctorReport) tally() {
	add := func(checks []doctor.Check) {
		for _, c := range checks {
			switch c.State {
			case doctor.Fail:
				r.Failures++
			case doctor.Warn:
				r.Warnings++
			}
		}
	}
	add(r.Machine)
	for _, a := range r.Accounts {
		add(a.Checks)
		for _, t := range a.Targets {
			add(t.Checks)
		}
	}
}

func costs(plan []doctor.Planned) bool {
	return slices.ContainsFunc(plan, func(p doctor.Planned) bool { return !p.Free })
}

// ask asks whether the calls may be made. Whatever is not yes, an interrupt too, means no.
func ask(ctx context.Context, cmd *cobra.Command, plan []doctor.Planned) bool {
	w := cmd.ErrOrStderr()
	fmt.Fprintf(w, "Call %s (%s)? [y/N] ", count(len(plan), "target"), worst(plan))
	answer := make(chan string, 1) // sent once; a read from a terminal cannot be ended, so nobody waits for its goroutine
	go func() {
		line, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n') // no answer is no
		answer <- line
	}()
	select {
	case line := <-answer:
		line = strings.ToLower(strings.TrimSpace(line))
		return line == "y" || line == "yes"
	case <-ctx.Done():
		fmt.Fprintln(w)
		return false
	}
}

// worst words the most that calls can cost.
func worst(plan []doctor.Planned) string {
	sum, unknown := 0.0, 0
	for _, p := range plan {
		switch {
		case p.Free:
		case p.Priced:
			sum += p.WorstUSD
		default:
			unknown++
		}
	}
	text := fmt.Sprintf("at most $%.6f", sum)
	switch {
	case unknown > 0 && sum == 0:
		return count(unknown, "call") + " of unknown price"
	case unknown > 0:
		return text + " and " + count(unknown, "call") + " of unknown price"
	}
	return text
}

// checkMachine looks at what is on this machine.
func checkMachine(ctx context.Context, c *config.Config) []doctor.Check {
	all := []doctor.Check{{
		Name: "configuration", State: doctor.OK,
		Detail: fmt.Sprintf("%s, %s, %s", count(len(c.Providers), "provider"), count(len(c.Models), "model"), count(len(c.Auth.Keys), "key")),
	}}
	for _, n := range c.Notices() {
		all = append(all, doctor.Check{Name: "configuration", State: doctor.Warn, Detail: c.Place(n), Do: "change it, or leave it if it is meant so"})
	}
	if c.Database.Empty() {
		all = append(all, doctor.DataDir(c.DataDir))
	}
	if !c.Redis.Empty() {
		all = append(all, checkRedis(ctx, c))
	}
	all = append(all, checkDatabase(ctx, c), doctor.OpenFiles(), doctor.Listen(ctx, "listen", c.Ingress.Listen))
	if c.Console.AdminListen != "" {
		all = append(all, doctor.Listen(ctx, "admin_listen", c.Console.AdminListen))
	}
	return all
}

// databaseTime bounds the look at the database.
const databaseTime = 15 * time.Second

func checkDatabase(ctx context.Context, c *config.Config) doctor.Check {
	ctx, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	i, err := store.Inspect(ctx, c.Database.Reveal(), c.DataDir)
	check := doctor.Check{Name: "database", State: doctor.OK}
	switch {
	case err != nil:
		check.State, check.Detail = doctor.Fail, err.Error()
		check.Do = "check database (--database) and whether the server runs; for SQLite, data_dir (--data-dir)"
	case i.Version == 0:
		check.Detail = i.Name + ": empty; serve makes its schema"
	case i.Version < i.Newest:
		check.Detail = fmt.Sprintf("%s: schema %d; serve brings it to %d", i.Name, i.Version, i.Newest)
	case i.Version > i.Newest:
		check.State = doctor.Fail
		check.Detail = fmt.Sprintf("%s: schema %d is newer than the %d of this program", i.Name, i.Version, i.Newest)
		check.Do = "use the newer sluice, or another database"
	default:
		check.Detail = fmt.Sprintf("%s: schema %d", i.Name, i.Version)
	}
	return check
}

// startSimulated starts the simulated providers among the accounts, and puts in where they are.
func startSimulated(c *config.Config, accounts []doctor.Account) (stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, s := range stops {
			s()
		}
	}
	for i := range accounts {
		if !accounts[i].Simulated {
			continue
		}
		name := accounts[i].Provider.Name
		at := slices.IndexFunc(c.Providers, func(p config.Provider) bool { return p.Name == name })
		server, err := sim.New(c.Providers[at].Sim)
		if err == nil {
			accounts[i].Provider.BaseURL, err = server.Listen("127.0.0.1:0")
		}
		if err != nil {
			stop()
			return nil, fmt.Errorf("start simulated provider %q: %w", name, err)
		}
		served := make(chan error, 1) // sent once
		go func() { served <- server.Serve() }()
		stops = append(stops, func() {
			_ = server.Close() // the examination is over
			<-served
		})
	}
	return stop, nil
}
