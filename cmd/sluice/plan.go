package main

import (
	"io"

	"github.com/spf13/cobra"
)

// newPlanCommand makes `sluice plan` with its commands. open opens the database, for results that are in it.
func newPlanCommand(open openKeysFunc) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Plan capacity, cost, pattern and route",
		Long: `Answers what to decide before and after a measurement. Every answer names its formula and its inputs; nothing is sent
anywhere. Numbers may be written as 500, 0.15, 90_000 or 10M, shares as 20% or 0.2.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newPlanCapacityCommand(open), newPlanCostCommand(), newPlanPatternCommand(),
		newPlanRouteCommand(open), newPlanTiersCommand())
	return cmd
}

// textWriter is an answer that can be read by people.
type textWriter interface{ WriteText(w io.Writer) error }

// writePlan writes an answer in the form that was asked for.
func writePlan(cmd *cobra.Command, answer textWriter, asJSON bool) error {
	if asJSON {
		return writeJSON(cmd.OutOrStdout(), answer)
	}
	return answer.WriteText(cmd.OutOrStdout())
}
