package main

import (
	"github.com/spf13/cobra"
)

// newPlanCommand makes `sluice plan` with its commands.
func newPlanCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Plan capacity, cost, pattern and route",
		Long: `Answers what to decide before and after a measurement. Every answer names its formula and its inputs; nothing is sent
anywhere.`,
		Args: cobra.NoArgs,
	}
	return cmd
}
