//go:build !unix

package doctor

// openFileLimit returns how many files this process may have open; there is no such limit to be asked for here.
func openFileLimit() (n int64, ok bool) { return 0, false }
