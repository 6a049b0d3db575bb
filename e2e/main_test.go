// Package e2e holds tests of the real binary: processes, signals, files and official clients.
package e2e

import (
	"flag"
	"testing"

	"sluice/e2e/harness"
)

// sideBySide is how many tests run at a time, unless -parallel says otherwise: most of what they do is to wait for processes.
const sideBySide = "4"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", sideBySide); err != nil {
		panic("BUG: " + err.Error())
	}
	harness.Main(m, "..")
}
