package peers

import (
	"os"
	"os/exec"
	"testing"
)

// requireVar is the environment variable that makes a missing tool a failure when it is 1.
const requireVar = "GOSCST_REQUIRE_TOOLS"

// Tool returns the path of a program that the test t needs. Where it is not installed the test is
// skipped, or fails if tools are required; debian is the package to install then.
func Tool(t testing.TB, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, name+" is not installed (Debian package "+debian+")")
	}
	return path
}

// Missing ends the test t for want of something that another machine has: it is skipped, or fails
// if tools are required. what says what is missing.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv(requireVar) == "1" {
		t.Fatalf("%s, and %s=1", what, requireVar)
	}
	t.Skip(what)
}
