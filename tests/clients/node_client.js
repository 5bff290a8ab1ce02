// What the npm package `supervisord` offers, called one after the other: node node_client.js MODULE ADDRESS
// Prints one JSON object: the name of each call -> its answer, or the fault's code and text.
"use strict";

const [modulePath, address] = process.argv.slice(2);
const client = require(modulePath).connect(address);
const calls = [
  ["getAPIVersion"], ["getVersion"], ["getSupervisorVersion"], ["getIdentification"], ["getState"], ["getPID"],
  ["getAllProcessInfo"], ["getAllConfigInfo"], ["getProcessInfo", "web"], ["getProcessInfo", "nobody"],
  ["stopProcess", "web"], ["startProcess", "web"], ["stopProcessGroup", "web"], ["startProcessGroup", "web"],
  ["signalProcess", "web", "CONT"], ["signalProcessGroup", "web", "CONT"], 
  ["sendProcessStdin", "echo", "grüße\n"], ["sendRemoteCommEvent", "kind", "data"],
  ["readProcessStdoutLog", "talker", 0, 0], ["readProcessLog", "talker", 0, 3], ["tailProcessStdoutLog", "talker", 0, 3],
  ["tailProcessLog", "talker", 0, 3], ["readProcessStderrLog", "talker", 0, 0], ["tailProcessStderrLog", "talker", 0, 9],
  ["clearProcessLogs", "talker"], ["clearProcessLog", "talker"], ["clearAllProcessLogs"],
  ["readLog", 0, 10], ["readMainLog", 0, 10], ["clearLog"], ["reloadConfig"],
  ["stopAllProcesses"], ["removeProcessGroup", "web"], ["addProcessGroup", "web"], ["startAllProcesses"],
  ["listMethods"], ["methodHelp", "supervisor.getState"], ["methodSignature", "supervisor.getState"],
  ["multicall", [{methodName: "supervisor.getPID", params: []}, {methodName: "supervisor.getState", params: []}]],
];
const answers = [];

function next(index) {
  if (index === calls.length) {
    console.log(JSON.stringify(answers));
    return;
  }
  const [name, ...words] = calls[index];
  client[name](...words, (fault, value) => {
    answers.push([name, fault ? {code: fault.faultCode ?? null, text: String(fault.faultString ?? fault)} : value]);
    next(index + 1);
  });
}

next(0);
