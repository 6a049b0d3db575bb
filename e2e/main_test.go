// Package e2e holds tests of the real binary: processes, signals, files and official clients.
package e2e

import (
	"testing"

	"sluice/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m, "..") }
