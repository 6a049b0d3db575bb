package gemini

import (
	"encoding/json"
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// maxCites bounds the citations that are kept of one candidate.
const maxCites = 1000

// cite is a citation with the place of the part that it is about, in its chunk.
type cite struct {
	llm.Citation
	part int
}

// citationMetadata is what a text takes over from a source.
type citationMetadata struct {
	Citations []struct {
		StartIndex, EndIndex int
		URI, Title           string
	}
}

// groundingMetadata is what a text rests on.
type groundingMetadata struct {
	GroundingChunks []struct {
		Web, RetrievedContext, Maps *struct{ URI, Title, Text string }
	}
	GroundingSupports []struct {
		Segment               struct{ PartIndex, StartIndex, EndIndex int }
		GroundingChunkIndices []int
	}
}

// cite keeps the citations of a chunk for the text that is open, or comes next. They may come again in a later chunk. What cannot
// be read is left out: citations are no reason to refuse an answer.
func (st *reading) cite(citations, grounding []byte) {
	if len(citations) > 0 {
		var m citationMetadata
		if json.Unmarshal(citations, &m) == nil {
			for _, c := range m.Citations {
				st.addCite(cite{llm.Citation{URL: c.URI, Title: c.Title, Start: c.StartIndex, End: c.EndIndex}, 0})
			}
		}
	}
	if len(grounding) > 0 {
		var m groundingMetadata
		if json.Unmarshal(grounding, &m) == nil {
			st.ground(&m)
		}
	}
}

// ground adds the sources of a grounding, each with the segments of the text that rest on it.
func (st *reading) ground(m *groundingMetadata) {
	for i := range m.GroundingChunks {
		source := m.GroundingChunks[i].Web
		if source == nil {
			source = m.GroundingChunks[i].RetrievedContext
		}
		if source == nil {
			source = m.GroundingChunks[i].Maps
		}
		if source == nil {
			continue
		}
		one := cite{Citation: llm.Citation{URL: source.URI, Title: source.Title, Quote: source.Text}}
		found := false
		for _, s := range m.GroundingSupports {
			for _, chunk := range s.GroundingChunkIndices {
				if chunk == i {
					one.Start, one.End, one.part = s.Segment.StartIndex, s.Segment.EndIndex, s.Segment.PartIndex
					st.addCite(one)
					found = true
				}
			}
		}
		if !found {
			st.addCite(one)
		}
	}
}

func (st *reading) addCite(c cite) {
	for i := range st.cites {
		if st.cites[i] == c {
			return
		}
	}
	if len(st.cites) < maxCites {
		st.cites = append(st.cites, c)
	}
}

// takeCites returns the citations of the text part that ends: those that are about it, or about one before it.
func (st *reading) takeCites() (taken []llm.Citation) {
	var rest []cite
	for _, c := range st.cites {
		if c.part > st.at {
			rest = append(rest, c)
			continue
		}
		taken = append(taken, c.Citation)
	}
	st.cites = rest
	return taken
}

// appendGrounding appends the citations as the member groundingMetadata of a candidate, with the comma in front of it.
func appendGrounding(dst []byte, cites []cite) []byte {
	if len(cites) == 0 {
		return dst
	}
	dst = append(dst, `,"groundingMetadata":{"groundingChunks":[`...)
	supports := 0
	for i := range cites {
		c := &cites[i]
		if c.End > c.Start || c.part > 0 {
			supports++
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		if c.Quote != "" {
			dst = append(dst, `{"retrievedContext":{"text":`...)
			dst = append(wire.AppendString(dst, c.Quote), ',')
		} else {
			dst = append(dst, `{"web":{`...)
		}
		dst = append(dst, `"uri":`...)
		dst = wire.AppendString(dst, c.URL)
		dst = append(dst, `,"title":`...)
		dst = wire.AppendString(dst, c.Title)
		dst = append(dst, '}', '}')
	}
	dst = append(dst, ']')
	if supports > 0 {
		dst = appendSupports(append(dst, `,"groundingSupports":[`...), cites)
	}
	return append(dst, '}')
}

// appendSupports appends the segments of the text that rest on the sources.
func appendSupports(dst []byte, cites []cite) []byte {
	first := true
	for i := range cites {
		c := &cites[i]
		if c.End <= c.Start && c.part == 0 {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, `{"segment":{"partIndex":`...)
		dst = strconv.AppendInt(dst, int64(c.part), 10)
		dst = append(dst, `,"startIndex":`...)
		dst = strconv.AppendInt(dst, int64(c.Start), 10)
		dst = append(dst, `,"endIndex":`...)
		dst = strconv.AppendInt(dst, int64(c.End), 10)
		dst = append(dst, `},"groundingChunkIndices":[`...)
		dst = strconv.AppendInt(dst, int64(i), 10)
		dst = append(dst, ']', '}')
	}
	return append(dst, ']')
}

// logprobsResult is the probabilities of a candidate's tokens.
type logprobsResult struct {
	ChosenCandidates []logprob
	TopCandidates    []struct{ Candidates []logprob }
}

type logprob struct {
	Token          string
	LogProbability float64
}

// readLogprobs reads a logprobsResult; what cannot be read is left out.
func readLogprobs(b []byte) []llm.Logprob {
	var m logprobsResult
	if json.Unmarshal(b, &m) != nil {
		return nil
	}
	all := make([]llm.Logprob, len(m.ChosenCandidates))
	for i, c := range m.ChosenCandidates {
		all[i] = llm.Logprob{Token: c.Token, Logprob: c.LogProbability}
		if i < len(m.TopCandidates) {
			for _, t := range m.TopCandidates[i].Candidates {
				all[i].Top = append(all[i].Top, llm.Logprob{Token: t.Token, Logprob: t.LogProbability})
			}
		}
	}
	return all
}

// appendLogprobs appends the member logprobsResult, with the comma in front of it, if there are any.
func appendLogprobs(dst []byte, all []llm.Logprob) []byte {
	if len(all) == 0 {
		return dst
	}
	dst = append(dst, `,"logprobsResult":{"chosenCandidates":`...)
	dst = appendTokens(dst, all)
	top := false
	for i := range all {
		top = top || len(all[i].Top) > 0
	}
	if top {
		dst = append(dst, `,"topCandidates":[`...)
		for i := range all {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"candidates":`...)
			dst = append(appendTokens(dst, all[i].Top), '}')
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func appendTokens(dst []byte, all []llm.Logprob) []byte {
	dst = append(dst, '[')
	for i := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"token":`...)
		dst = wire.AppendString(dst, all[i].Token)
		dst = append(dst, `,"logProbability":`...)
		dst = strconv.AppendFloat(dst, all[i].Logprob, 'g', -1, 64)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
