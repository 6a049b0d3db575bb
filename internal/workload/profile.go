package workload

import (
	"embed"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"sluice/internal/model"
)

//go:embed profiles/*.yaml profiles/*.csv.gz
var shipped embed.FS

// Profile is a workload that ships with the program. Load takes its name.
type Profile struct {
	Name        string
	Description string
	Citation    string
	Source      string // the file's text
}

// mooncakeTrace is the shipped trace whose time stamps are 3 s apart.
const mooncakeTrace = "mooncake-conversation"

// Profiles lists the shipped workloads by name.
func Profiles() []Profile {
	var out []Profile
	for _, name := range shippedNames(".yaml") {
		src, err := shipped.ReadFile("profiles/" + name + ".yaml")
		if err != nil {
			panic("BUG: a listed profile cannot be read: " + err.Error())
		}
		f := newFile(nil)
		if root := f.parseTree(src); root != nil {
			f.root(root)
		}
		out = append(out, Profile{name, f.w.Description, f.w.Citation, string(src)})
	}
	return out
}

// shippedNames lists embedded files with an ending, without it, sorted.
func shippedNames(ending string) []string {
	entries, err := shipped.ReadDir("profiles")
	if err != nil {
		panic("BUG: the profiles cannot be listed: " + err.Error())
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ending); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names) // with their ending they sort otherwise
	return names
}

func traceNames() []string { return shippedNames(".csv.gz") }

// loadProfile reads a shipped workload; ok is false if none has that name.
func loadProfile(name string) (w *Workload, ok bool, err error) {
	src, err := shipped.ReadFile("profiles/" + name + ".yaml")
	if err != nil {
		return nil, false, nil
	}
	w, err = parse(name, src, func(file string) (io.ReadCloser, error) { return shipped.Open(path.Join("profiles", file)) })
	return w, true, err
}

// shippedTrace reads a trace that ships with the program.
func shippedTrace(name string, limit int) (*trace, error) {
	known := traceNames()
	if !slices.Contains(known, name) {
		return nil, fmt.Errorf("no trace %s ships with the program; %s do", quote(name), strings.Join(known, ", "))
	}
	f, err := shipped.Open("profiles/" + name + ".csv.gz")
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	return readTrace(f, formatPlain, limit, 0)
}

// unknownProfile is the error for a name that is neither a profile nor a file.
func unknownProfile(name string) error {
	known := shippedNames(".yaml")
	if near := model.Nearest(name, known, 1); len(near) > 0 {
		return fmt.Errorf("there is no file %s, and no profile of that name; did you mean %q?", quote(name), near[0])
	}
	return fmt.Errorf("there is no file %s, and no profile of that name; profiles are %s", quote(name), strings.Join(known, ", "))
}
