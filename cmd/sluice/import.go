package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"sluice/internal/config"
)

// newConfigImportCommand makes `sluice config import`.
func newConfigImportCommand() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "import litellm.yaml",
		Short: "Make a configuration from that of a LiteLLM proxy",
		Long: `Reads the configuration of a LiteLLM proxy and writes an equivalent one of Sluice to standard output, or to a new file
with -o. What is changed, and what is not taken over and why, goes to standard error with its place in the source: nothing
is left out silently. docs/IMPORT.md has the whole mapping.`,
		Example: "  sluice config import litellm.yaml -o sluice.yaml && sluice config check",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true // from here on errors are of the files, not of the command line
			return importConfig(cmd.OutOrStdout(), cmd.ErrOrStderr(), args[0], to, os.LookupEnv)
		},
	}
	cmd.Flags().StringVarP(&to, "output", "o", "", "`file` to write, which must not exist yet (standard output)")
	return cmd
}

// importConfig writes the configuration made from a file to out, or to the new file that to names, and the report to said.
func importConfig(out, said io.Writer, from, to string, env func(string) (string, bool)) error {
	src, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("read configuration to import: %w", err)
	}
	im, err := config.ImportLiteLLM(from, src)
	var bad *config.Error
	if errors.As(err, &bad) {
		fmt.Fprint(said, bad.Excerpt())
		return fmt.Errorf("import %s: it cannot be read", from)
	}
	if err != nil {
		return err
	}
	name := to
	if to == "" {
		name = "standard output"
		_, err = out.Write(im.File)
	} else {
		err = writeNew(to, im.File)
	}
	if err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	for _, f := range im.Findings {
		fmt.Fprintln(said, f.Report(from))
	}
	fmt.Fprintf(said, "%s: %s, %s; of the source, %d settings are changed and %d not taken over\n", name,
		count(im.Providers, "provider"), count(im.Models, "model"), im.Count(config.Changed), im.Count(config.NotTaken))
	// The result is valid but for what its references stand for, which only the machine it runs on can tell.
	if _, err := config.Parse(name, im.File, env); errors.As(err, &bad) {
		fmt.Fprintf(said, "before it can run here:\n%s\n", bad.Error())
	}
	return nil
}

// writeNew writes a file that does not exist yet. Others may not read it: it can have secrets in it.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
