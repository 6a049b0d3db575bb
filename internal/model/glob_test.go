package model

import "testing"

func TestMatch(t *testing.T) {
	t.Parallel()
	f := func(pattern, name string, want bool) {
		t.Helper()
		if got := Match(pattern, name); got != want {
			t.Errorf("Match(%q, %q) = %v, want %v", pattern, name, got, want)
		}
	}
	f("gpt-4o", "gpt-4o", true)
	f("gpt-4o", "gpt-4o-mini", false)
	f("", "", true)
	f("", "x", false)
	f("*", "", true)
	f("*", "accounts/fireworks/models/x", true)
	f("llama-*", "llama-3-70b", true)
	f("llama-*", "meta-llama-3", false)
	f("*-70b", "llama-3-70b", true)
	f("*-70b", "llama-3-70b-instruct", false)
	f("a*b*c", "aXbYc", true)
	f("a*b*c", "abc", true)
	f("a*b*c", "acb", false)
	f("a*a", "a", false)
	f("*ab", "aab", true)
	f("a*ab*b", "aabab", true)
	f("GPT*", "gpt-4o", false)
	f("a?c", "abc", false)
}
