// Package stat holds the statistics that measurements are judged by: quantiles with honest intervals, tests for differences
// between runs, control of false alarms over many comparisons, and change points in a history. Pure functions.
package stat
