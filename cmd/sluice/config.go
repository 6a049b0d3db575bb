package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"sluice/internal/config"
)

// newConfigCommand makes `sluice config` with its commands.
func newConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check the configuration file, print its schema, or import another program's",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newConfigCheckCommand(), newConfigSchemaCommand(), newConfigImportCommand())
	return cmd
}

func newConfigCheckCommand() *cobra.Command {
	var storedKeys bool
	cmd := &cobra.Command{
		Use:   "check [file]",
		Short: "Report every error in the configuration",
		Long: `Reads the configuration as serve does and reports every error at once, with its place.

Without a file, it checks sluice.yaml in the working directory or, where there is none, what the environment variables
make. Warnings, such as of secrets that stand in the file, do not make it fail.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true // from here on errors are of the configuration, not of the command line
			path := ""
			if len(args) > 0 {
				path = args[0]
			}
			return checkConfig(cmd.OutOrStdout(), cmd.ErrOrStderr(), path, os.LookupEnv, storedKeys)
		},
	}
	cmd.Flags().BoolVar(&storedKeys, "stored-keys", false, "clients' keys are in the database, which is not looked at: need none in the file")
	return cmd
}

// checkConfig writes a summary to out, and warnings and errors to problems.
func checkConfig(out, problems io.Writer, path string, env func(string) (string, bool), storedKeys bool) error {
	c, err := config.Load(path, env)
	var bad *config.Error
	if errors.As(err, &bad) {
		fmt.Fprint(problems, bad.Excerpt())
		return fmt.Errorf("check configuration: %d found", len(bad.Problems))
	}
	if err != nil {
		return err
	}
	for _, n := range c.Notices() {
		fmt.Fprintln(problems, "warning:", c.Place(n))
	}
	if err := c.Exposed(); err != nil && !storedKeys {
		return fmt.Errorf("%w (--stored-keys if keys are in the database)", err)
	}
	from := c.File()
	if from == "" {
		from = "environment"
	}
	_, err = fmt.Fprintf(out, "%s: ok: %s, %s, %s (id %s)\n", from, count(len(c.Providers), "provider"),
		count(len(c.Models), "model"), count(len(c.Auth.Keys), "key"), c.ID())
	return err
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func newConfigSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration file",
		Long: `Prints the JSON Schema of the configuration file, for editors. With the YAML language server, save it next to the
file and begin the file with

  # yaml-language-server: $schema=sluice.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(config.Schema())
			return err
		},
	}
}
