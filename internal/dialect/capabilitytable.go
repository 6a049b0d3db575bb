package dialect

import (
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/wire"
)

// Targets are the dialects that chat can be translated to, in the order of the matrix.
func Targets() []llm.Dialect {
	return []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini, llm.Converse}
}

// Capability is one cell of the matrix: what a target dialect makes of a feature.
type Capability struct {
	Feature model.Feature
	Target  llm.Dialect
	Level   Level
	How     string // why it is not Yes, or what happens instead
}

// Capabilities returns the matrix that Adapt goes by: each feature in each of Targets, in their order.
func Capabilities() []Capability {
	var all []Capability
	for _, f := range model.AllFeatures() {
		for _, to := range Targets() {
			level, how := Can(f, to, nil)
			all = append(all, Capability{f, to, level, how})
		}
	}
	return all
}

// CapabilityTarget is one configured model at one account, for AppendCapabilities.
type CapabilityTarget struct {
	Name    string // provider/model
	Dialect llm.Dialect
	Traits  *model.Traits
	Policy  Policy
}

// AppendCapabilities appends the body of GET /v1/capabilities: the matrix of features by target dialect, and for each target what
// its model or server does otherwise.
func AppendCapabilities(dst []byte, targets []CapabilityTarget) []byte {
	dst = append(dst, `{"object":"capabilities","dialects":[`...)
	for i, d := range Targets() {
		dst = wire.AppendString(separate(dst, i), d.String())
	}
	dst = append(dst, `],"features":[`...)
	for i, f := range model.AllFeatures() {
		dst = append(separate(dst, i), `{"feature":`...)
		dst = wire.AppendString(dst, f.String())
		dst = append(dst, `,"targets":{`...)
		for j, d := range Targets() {
			dst = wire.AppendString(separate(dst, j), d.String())
			level, how := Can(f, d, nil)
			dst = appendLevel(append(dst, ':'), level, how)
		}
		dst = append(dst, `},"parameters":{`...)
		n := 0
		for _, d := range Targets() {
			if name := spelling(f, d); name != "" {
				dst = wire.AppendString(separate(dst, n), d.String())
				dst = wire.AppendString(append(dst, ':'), name)
				n++
			}
		}
		dst = append(dst, `}}`...)
	}
	dst = append(dst, `],"models":[`...)
	for i := range targets {
		dst = appendTarget(separate(dst, i), &targets[i])
	}
	return append(dst, `]}`...)
}

// separate appends a comma before all elements but the first.
func separate(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return dst
}

func appendLevel(dst []byte, l Level, how string) []byte {
	dst = append(dst, `{"level":`...)
	dst = wire.AppendString(dst, l.String())
	if how != "" {
		dst = append(dst, `,"how":`...)
		dst = wire.AppendString(dst, how)
	}
	return append(dst, '}')
}

func appendTarget(dst []byte, t *CapabilityTarget) []byte {
	dst = append(dst, `{"model":`...)
	dst = wire.AppendString(dst, t.Name)
	dst = append(dst, `,"dialect":`...)
	dst = wire.AppendString(dst, t.Dialect.String())
	dst = append(dst, `,"parameters":`...)
	dst = wire.AppendString(dst, t.Policy.String())
	dst = append(dst, `,"features":{`...)
	tr := t.Traits
	if tr == nil {
		tr = &model.Traits{}
	}
	for i, f := range (tr.Not | tr.Can).List() {
		dst = wire.AppendString(separate(dst, i), f.String())
		level, how := Can(f, t.Dialect, tr)
		dst = appendLevel(append(dst, ':'), level, how)
	}
	dst = append(dst, '}')
	dst = appendStrings(dst, "efforts", tr.Efforts)
	dst = appendCount(dst, "min_budget_tokens", tr.MinBudget)
	dst = appendCount(dst, "max_budget_tokens", tr.MaxBudget)
	dst = appendCount(dst, "max_output_tokens", tr.MaxOutput)
	dst = appendCount(dst, "max_stop", int64(tr.MaxStop))
	if tr.MaxTemperature > 0 {
		dst = append(dst, `,"max_temperature":`...)
		dst = strconv.AppendFloat(dst, tr.MaxTemperature, 'g', -1, 64)
	}
	return append(dst, '}')
}

func appendStrings(dst []byte, name string, all []string) []byte {
	if len(all) == 0 {
		return dst
	}
	dst = append(append(append(dst, `,"`...), name...), `":[`...)
	for i, s := range all {
		dst = wire.AppendString(separate(dst, i), s)
	}
	return append(dst, ']')
}

func appendCount(dst []byte, name string, n int64) []byte {
	if n == 0 {
		return dst
	}
	dst = append(append(append(dst, `,"`...), name...), `":`...)
	return strconv.AppendInt(dst, n, 10)
}
