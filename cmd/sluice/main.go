// Command sluice is a gateway between applications and LLM APIs, a simulator of providers, and the tools around them. It
// parses flags and calls internal packages; see `sluice help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set at build time with -ldflags "-X main.version=...".
var version = "dev"

func main() {
	// The first signal asks for an orderly end, a second one ends the process at once; serve counts them itself.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	if err := newRootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "sluice:", err)
		os.Exit(exitCode(err))
	}
}

// The exit codes of commands that a script may want to tell apart. Every other failure is 1.
const (
	exitRegression = 3 // a comparison found a target worse than before
	exitInvalid    = 4 // a measurement does not describe its target
)

// codedError is an error that the process ends with a code of its own for.
type codedError struct {
	code int
	error
}

func (e *codedError) Unwrap() error { return e.error }

// exitCode returns the code that the process ends with.
func exitCode(err error) int {
	if coded, ok := errors.AsType[*codedError](err); ok {
		return coded.code
	}
	return 1
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "Get the most out of LLM APIs",
		Long: `Sluice stands between applications and LLM APIs: a gateway that any OpenAI, Anthropic or Gemini client can use
unchanged (serve),
simulated providers to test clients against (sim), and tools around them.`,
		Version:       version,
		SilenceErrors: true, // main prints them once
		SilenceUsage:  true,
	}
	root.AddCommand(newServeCommand(), newSimCommand(), newKeysCommand(openStore), newUsageCommand(openStore),
		newConfigCommand(), newTokensCommand(), newDoctorCommand(), newBenchCommand(), newPlanCommand(openStore))
	for _, cmd := range root.Commands() {
		refuseUnknown(cmd)
	}
	return root
}

// refuseUnknown makes commands that only hold others fail on a name that none of them has. Cobra would print the help and call it
// a success, so that a slip in a CI job would pass.
func refuseUnknown(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		refuseUnknown(sub)
	}
	if !cmd.HasSubCommands() || cmd.Runnable() {
		return
	}
	cmd.DisableFlagsInUseLine = true
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		text := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return fmt.Errorf("%s; did you mean %q?", text, near[0])
		}
		return fmt.Errorf("%s; %s --help lists them", text, cmd.CommandPath())
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}
