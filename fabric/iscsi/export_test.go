package iscsi

// RaceEnabled tells whether the tests run under the race detector.
const RaceEnabled = raceEnabled
