// ---------------------------------------------------------------- the server behind the page, on this machine alone

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server has stopped: start `twigma explore` again and open the address that it prints.");
  }
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error);
  return found;
}

// Shows what is being done, or what went wrong, where a screen reader hears it.
function tell(id, text) { $(id).textContent = text; }
