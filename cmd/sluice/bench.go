package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sluice/internal/live"
	"sluice/internal/report"
	"sluice/internal/report/page"
	"sluice/internal/workload"
)

// newBenchCommand makes `sluice bench` with its commands.
func newBenchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure models: how fast, how much, and did it change",
		Long: `Measures targets (a model at a provider in a region) under a load that does not slow down when they do, and keeps the
figures. A run judges itself: one in which this machine was the bottleneck is called invalid and ends with exit code 4.

  sluice bench run              measure one target
  sluice bench matrix           measure all targets of the configuration, interleaved, in one run
  sluice bench report DIR       show results again, as text, JSON, HTML, or in the forms of other tools
  sluice bench compare A B      did it change? with tests, and an exit code for CI
  sluice bench history          all measurements in the database, and the points at which they changed`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newBenchRunCommand(), newBenchMatrixCommand(), newBenchReportCommand(), newBenchProfilesCommand(),
		newBenchCompareCommand(openStore), newBenchHistoryCommand(openStore), newBenchBaselineCommand(openStore), newBenchAnnotateCommand(openStore))
	return cmd
}

func newBenchProfilesCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "profiles [NAME]",
		Short: "List the workloads that come with Sluice, or print one as a file to start from",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			if len(args) == 1 {
				w, err := workload.Load(args[0])
				if err != nil {
					return err
				}
				_, err = io.WriteString(out, w.Source)
				return err
			}
			profiles := workload.Profiles()
			if asJSON {
				return writeJSON(out, profiles)
			}
			t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "NAME\tWHAT\tSOURCE")
			for _, p := range profiles {
				fmt.Fprintf(t, "%s\t%s\t%s\n", p.Name, p.Description, p.Citation)
			}
			return t.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// reportFlags are the flags of `sluice bench report`.
type reportFlags struct {
	html     string
	exports  []string
	detailed bool
	json     bool
}

func newBenchReportCommand() *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "report DIR",
		Short: "Show the results in a directory again",
		Long: `Computes the figures in a directory of results from its records again and prints them. report.html in the directory is
written anew, as are the tables (summary.csv, series.csv, aggregate.json).`,
		Example: "  sluice bench report bench-results/2026-11-21T10-15-00Z_chatbot-support\n" +
			"  sluice bench report DIR --export vllm,aiperf --detailed",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkExports(f.exports, f.detailed); err != nil {
				return err
			}
			cmd.SilenceUsage = true
			return f.run(cmd, args[0])
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.html, "html", "", "`file` for the report in place of report.html in the directory; - for standard output, and nothing else there")
	fl.StringSliceVar(&f.exports, "export", nil, "also write the results in these `forms` of other tools, into the directory: vllm, aiperf")
	fl.BoolVar(&f.detailed, "detailed", false, "with --export vllm: write the arrays of single requests too")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

func (f *reportFlags) run(cmd *cobra.Command, dir string) error {
	results, err := report.Open(dir)
	if err != nil {
		return err
	}
	cells, err := results.Aggregate()
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if f.html == "-" {
		return page.Write(out, results.Suite, cells)
	}
	path := f.html
	if path == "" {
		path = filepath.Join(dir, "report.html")
	}
	written, err := writeReports(results, cells, path, f.exports, f.detailed)
	if err != nil {
		return err
	}
	if f.json {
		return report.JSON(out, results.Suite, cells)
	}
	if err := report.Text(out, results.Suite, cells, textOptions(out)); err != nil {
		return err
	}
	for _, name := range written {
		fmt.Fprintln(out, "wrote", name)
	}
	return nil
}

// writeReports writes the HTML report to path and the exports beside the results, and returns what it wrote.
func writeReports(r *report.Results, cells []report.CellResult, path string, exports []string, detailed bool) ([]string, error) {
	if err := writeFile(path, func(w io.Writer) error { return page.Write(w, r.Suite, cells) }); err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	written := []string{path}
	for _, form := range exports {
		var files []string
		var err error
		switch form {
		case "vllm":
			files, err = report.ExportVLLM(r.Dir, r, detailed)
		case "aiperf":
			files, err = report.ExportAIPerf(r.Dir, r)
		}
		if err != nil {
			return written, fmt.Errorf("export as %s: %w", form, err)
		}
		written = append(written, files...)
	}
	return written, nil
}

// checkExports finds what is wrong with --export and --detailed.
func checkExports(forms []string, detailed bool) error {
	vllm := false
	for _, form := range forms {
		if form != "vllm" && form != "aiperf" {
			return fmt.Errorf("--export is %q, want vllm or aiperf", form)
		}
		vllm = vllm || form == "vllm"
	}
	if detailed && !vllm {
		return errors.New("--detailed belongs to --export vllm")
	}
	return nil
}

// writeFile writes a file whole or not at all.
func writeFile(path string, write func(io.Writer) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	if err := errors.Join(write(tmp), tmp.Chmod(0o644), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// textOptions fits tables to where they are printed.
func textOptions(w io.Writer) report.TextOptions {
	return report.TextOptions{Width: live.Width(w), Color: live.IsTerminal(w) && os.Getenv("NO_COLOR") == ""}
}
