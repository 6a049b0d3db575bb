// Command sluice is a gateway between applications and LLM APIs, a simulator of providers, and the tools around them. It
// parses flags and calls internal packages; see `sluice help`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set at build time with -ldflags "-X main.version=...".
var version = "dev"

func main() {
	// The first signal asks for an orderly end; serve counts further ones itself.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newRootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "sluice:", err)
		os.Exit(1)
	}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "Get the most out of LLM APIs",
		Long: `Sluice stands between applications and LLM APIs: a gateway that any OpenAI client can use unchanged (serve),
simulated providers to test clients against (sim), and tools around them.`,
		Version:       version,
		SilenceErrors: true, // main prints them once
		SilenceUsage:  true,
	}
	root.AddCommand(newServeCommand(), newSimCommand(), newKeysCommand(openStore), newUsageCommand(openStore),
		newConfigCommand(), newTokensCommand())
	return root
}
