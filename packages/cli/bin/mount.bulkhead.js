#!/usr/bin/env node
// The name of this file says what is wanted: see src/program.ts.
import "./bulkhead.js";
