package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const envPrefix = "os.environ/"

// variableName is what a reference of ours can name.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// value is a text on its way into the result.
type value struct {
	text string // as the result says it: with references, and what only looks like one escaped
	ref  bool   // it is a reference to the environment
	from *sourceNode
}

// value takes a key that holds a text. What cannot be taken over is reported, and empty.
func (im *importer) value(t *sourceNode, key string) value {
	n := im.shaped(t.take(key), scalarNode, "a single value")
	if n == nil {
		return value{}
	}
	return im.convert(n)
}

func (im *importer) convert(n *sourceNode) value {
	if name, ok := strings.CutPrefix(n.text, envPrefix); ok {
		if !variableName.MatchString(name) {
			im.at(n, NotTaken, "refers to an environment variable whose name Sluice cannot refer to")
			return value{}
		}
		return value{text: "${" + name + "}", ref: true, from: n}
	}
	if !fit(n.text) {
		im.at(n, NotTaken, unfit)
		return value{}
	}
	return value{text: strings.ReplaceAll(n.text, "${", "$${"), from: n}
}

// secret is value for a credential: one that stands in the file is worth a word.
func (im *importer) secret(t *sourceNode, key string) value {
	v := im.value(t, key)
	if v.text != "" && !v.ref {
		im.at(v.from, Caution, "the secret itself stands in the file; ${NAME} or ${file:/path} would keep it out")
	}
	return v
}

// fit reports whether a text can stand in a configuration in one line.
func fit(s string) bool {
	return len(s) <= 4096 && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || isShield(r) || r == '\u2028' || r == '\u2029' || r == '\uFEFF' || r == utf8.RuneError
	})
}

// name takes a key that holds a name: text that is no reference.
func (im *importer) name(t *sourceNode, key string) string {
	n := im.shaped(t.take(key), scalarNode, "a single value")
	if n == nil {
		return ""
	}
	return n.text
}

// number takes a key that holds a number that is not negative. ok is false if it holds none, which is reported.
func (im *importer) number(t *sourceNode, key string) (x float64, n *sourceNode, ok bool) {
	n = im.shaped(t.take(key), scalarNode, "a single value")
	if n == nil {
		return 0, nil, false
	}
	if strings.HasPrefix(n.text, envPrefix) {
		im.at(n, NotTaken, "is a number from the environment; write the number")
		return 0, n, false
	}
	x, err := strconv.ParseFloat(strings.ReplaceAll(n.text, "_", ""), 64)
	if err != nil || math.IsNaN(x) || x < 0 || x > 1e12 {
		im.at(n, NotTaken, "is not a number that can be used")
		return 0, n, false
	}
	return x, n, true
}

// count is number for a whole one, at most limit.
func (im *importer) count(t *sourceNode, key string, limit int) (int, *sourceNode) {
	x, n, ok := im.number(t, key)
	if ok && x > float64(limit) {
		im.at(n, Changed, "is more than Sluice takes: "+strconv.Itoa(limit))
		x = float64(limit)
	}
	return int(x), n
}

// seconds is a time limit; nil if it is not set.
type seconds struct {
	time.Duration
	from *sourceNode
}

func (im *importer) seconds(t *sourceNode, key string) seconds {
	x, n, ok := im.number(t, key)
	const longest = 7 * 24 * 3600
	switch {
	case !ok:
		return seconds{}
	case x == 0 || x > longest:
		im.at(n, NotTaken, "is not a time limit that can be used (in seconds)")
		return seconds{}
	}
	return seconds{max(time.Duration(x*1e3)*time.Millisecond, time.Millisecond), n}
}

// flag takes a key that holds true or false, as YAML of 2005 writes it too.
func (im *importer) flag(t *sourceNode, key string) (on bool, n *sourceNode) {
	n = im.shaped(t.take(key), scalarNode, "a single value")
	return n != nil && strings.EqualFold(n.text, "true"), n
}

// plainYAML is text that every YAML reader takes for text without quotes.
var plainYAML = regexp.MustCompile(`^(\$\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Za-z][A-Za-z0-9_./-]*|https?://[A-Za-z0-9_./:-]*[A-Za-z0-9_/-])$`)

// quoteYAML writes a text as a scalar that stays text. It must be fit.
func quoteYAML(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
	default:
		if plainYAML.MatchString(s) {
			return s
		}
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// shown names something of the source in a message, if it can be shown.
func shown(kind, name string) string {
	if q := quoted(name); q != "" {
		return kind + " " + q
	}
	return "that " + kind
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
