//go:build !unix

package bench

import "time"

// raiseFiles has nothing to raise here.
func raiseFiles() (int64, error) { return 0, nil }

// usage is not known here.
func usage() (cpu time.Duration, memory int64) { return 0, 0 }
