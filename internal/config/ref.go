package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Values refer to what is kept elsewhere: ${NAME} and ${NAME:-default} to environment variables, ${file:/path} to files.
// $${ is a literal ${. References are resolved in single values after the file is parsed, so nothing that a variable
// holds can change the shape of the file.
//
// One obstacle is in the way: YAML takes the braces for its own inside {...} and [...]. shield therefore puts
// characters that YAML ignores in the place of those inside references, one for one so that columns stay, and unshield
// puts them back in each value. What replaces them is refused in the file itself.

const (
	shielded   = "{}[],:#"
	shieldBase = 0xE000 // private use area
	maxRefFile = 64 << 10
)

// reference is the whole of a well-formed reference.
var reference = regexp.MustCompile(`\$\{(?:[A-Za-z_][A-Za-z0-9_]*(?::-[^}\n]*)?|file:[^}\n]+)\}`)

// shield protects the references in YAML text.
func shield(src string) string {
	return reference.ReplaceAllStringFunc(src, func(ref string) string {
		return strings.Map(func(r rune) rune {
			if i := strings.IndexRune(shielded, r); i >= 0 {
				return shieldBase + rune(i)
			}
			return r
		}, ref)
	})
}

// unshield undoes shield in one value.
func unshield(s string) string {
	return strings.Map(func(r rune) rune {
		if isShield(r) {
			return rune(shielded[r-shieldBase])
		}
		return r
	}, s)
}

func isShield(r rune) bool { return r >= shieldBase && r < shieldBase+rune(len(shielded)) }

// resolved is a value with its references filled in.
type resolved struct {
	text    string
	byRef   bool // some of it came from elsewhere
	literal bool // some of it stands in the file
}

// resolver looks references up.
type resolver struct {
	env   func(string) (string, bool)
	dir   string          // directory that relative file references start from
	files []string        // files that were referred to
	blind bool            // files are not read: anything stands for them
	used  map[string]bool // environment variables that were referred to
}

// resolve fills in the references of a value.
func (r *resolver) resolve(s string) (resolved, error) {
	var out strings.Builder
	var res resolved
	for s != "" {
		i := strings.Index(s, "${")
		if i < 0 {
			break
		}
		if i > 0 && s[i-1] == '$' {
			out.WriteString(s[:i-1] + "${")
			res.literal, s = true, s[i+2:]
			continue
		}
		loc := reference.FindStringIndex(s[i:])
		if loc == nil || loc[0] != 0 {
			return res, errors.New("has a reference that is not ${NAME}, ${NAME:-default} or ${file:/path}; write $${ for a literal ${")
		}
		if i > 0 {
			out.WriteString(s[:i])
			res.literal = true
		}
		value, literal, err := r.lookup(s[i+2 : i+loc[1]-1])
		if err != nil {
			return res, err
		}
		out.WriteString(value)
		res.byRef, res.literal = true, res.literal || literal
		s = s[i+loc[1]:]
	}
	if s != "" {
		out.WriteString(s)
		res.literal = true
	}
	res.text = out.String()
	return res, nil
}

// lookup returns the value of what stands between the braces. literal is true for a default that was needed. Errors name
// the variable or file, never a value.
func (r *resolver) lookup(ref string) (value string, literal bool, err error) {
	if path, ok := strings.CutPrefix(ref, "file:"); ok {
		value, err = r.file(path)
		return value, false, err
	}
	name, fallback, hasFallback := strings.Cut(ref, ":-")
	if r.used == nil {
		r.used = make(map[string]bool)
	}
	r.used[name] = true
	v, set := r.env(name)
	switch {
	case v != "":
		return v, false, nil
	case hasFallback:
		return fallback, fallback != "", nil
	case set:
		return "", false, fmt.Errorf("environment variable %s is empty; ${%s:-} would allow that", name, name)
	default:
		return "", false, fmt.Errorf("environment variable %s is not set; ${%s:-} would allow that", name, name)
	}
}

// file reads a referred file, without the line break at its end.
func (r *resolver) file(path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.dir, path)
	}
	r.files = append(r.files, path)
	if r.blind {
		return "content", nil
	}
	return readRef(path)
}

// readRef reads a file that holds one value, without the line break at its end.
func readRef(path string) (string, error) {
	// Only regular files: a pipe would block, a device would not end.
	if st, err := os.Stat(path); err != nil {
		return "", err
	} else if !st.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() // only read
	b, err := io.ReadAll(io.LimitReader(f, maxRefFile+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxRefFile {
		return "", fmt.Errorf("%s is larger than %s", path, formatSize(maxRefFile))
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if text == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return text, nil
}
