// ---------------------------------------------------------------- the beginning

async function start() {
  await readData();
  prepareMaps();
  for (const channel of channels) {
    if (channel.name !== "cluster_before") $("colour").append(new Option(channel.title, channel.name));
  }
  if (channelOf("cluster")) $("colour").value = "cluster";
  $("colour").addEventListener("change", recolour);
  buildFilters();
  recolour();
  const canvas = $("points");
  listenToPointer(canvas);
  listenToKeys(canvas);
  listenToButtons(canvas);
  listenToDetails();
  resize();
  new ResizeObserver(resize).observe($("stage"));
  for (const begin of onStart) begin();
  document.title = document.title + " (ready)";
}

start().catch(error => { $("status").textContent = `This page could not be read: ${error.message}`; throw error; });
